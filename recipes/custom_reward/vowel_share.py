"""The share of vowels among the completion's letters, and how short it is."""


def reward(prompt, completion, max_words=None, **columns):
    letters = [c for c in completion.lower() if c.isascii() and c.isalpha()]
    if not letters:
        return 0.0
    words = len(completion.split())
    return {
        "vowels": sum(c in "aeiou" for c in letters) / len(letters),
        # None: this component does not apply to rows without such a column.
        "short": None if max_words is None else float(words <= int(max_words)),
        "weights": {"short": 0.5},
    }


def vowel_batch(completions, **columns):
    """Many samples at once, for rewards that call a model."""
    return [sum(c in "aeiouAEIOU" for c in text) / max(1, len(text)) for text in completions]
