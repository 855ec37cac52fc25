"""polydub dubs whole conversations: every speaker, every cut."""
