"""Read collections from files: queries, passages and qrels by language."""
