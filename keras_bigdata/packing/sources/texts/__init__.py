"""Texts -> token ids.

tokens         texts -> numbers, with a vocabulary: `encode_texts`
text_length    tokens per row
text_columns   columns of texts -> fields
padding        rows of different length -> one array: `pad_rows`
"""
