"""Other ways to tell who speaks when, to be compared with polydub's: sound in, turns out."""
