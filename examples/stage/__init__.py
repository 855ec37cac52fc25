"""Parts of the example clip's generator: meshes, hair, shading, mouths, sound."""
