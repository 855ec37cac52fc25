"""Fun-CineForge (Tongyi Lab, arXiv 2601.14777), implemented from its description.

A language model writes 25 speech tokens a second from the text, the faces and the turns of a scene;
flow matching makes a mel spectrogram of them in the voice of a reference; a vocoder makes sound.

::

    config.py      sizes and constants, each with its source
    sequence.py    what the language model reads        tokenizer.py   its text
    sampling.py    how a token is drawn                 lm.py          the language model
    dit.py         the velocity network                 flow.py        tokens to mel
    source.py      the vocoder's excitation             vocoder.py     mel to sound
    mel.py         the spectrogram                      streaming.py   sound while it is written
    checkpoint.py  the public files                     engine.py      ``dubbing=funcineforge``

One token is 40 ms: one frame of 25 fps video, two mel frames, 960 samples of 24 kHz sound.
"""
