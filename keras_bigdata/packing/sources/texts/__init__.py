"""Converts texts to token ids.

tokens         splits texts into words, and encodes them with a vocabulary: `encode_texts`
text_length    the argument `text_length`: tokens per row, or rows of any length
text_columns   columns of texts -> fields
padding        rows of different length -> one array: `pad_rows`
"""
