"""Files in, collections out: queries, passages and judgements by language."""
