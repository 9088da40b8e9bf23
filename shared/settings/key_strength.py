"""How hard a secret is to guess: the bits of the shortest description that is found for it.

What a generator of random numbers made has no description shorter than itself, and counts nearly what it is worth:
``secrets.token_urlsafe(32)`` 200 bits and more, ``secrets.token_hex(16)`` 105 and more. Described more shortly are

- what comes again, and what anybody can look up (the key of a published sample, keyboards, the alphabet): a reference
  to the place and its length, as in Lempel and Ziv's method; neither case nor punctuation nor ``4`` for ``a`` hides it,
  nor writing it backwards;
- characters that go on as those before them did (``aaaa``, ``abcd``, ``a1b2c3``): one bit each;
- letters and marks of what reads as English: 1.3 bits each, the upper bound of Shannon ("Prediction and Entropy of
  Printed English", 1951);
- hexadecimal or base64 of a text: as the text.

All else counts the logarithm of the size of its alphabet. The result is an upper bound: a key that is refused is a bad
one, and a key that passes may still be one that somebody has published.
"""

import base64
import binascii
import re
from math import log2, sqrt

MINIMUM_LENGTH = 32
"""RFC 7518, section 3.2: a key of HS256 has as many bytes as its hash."""

MINIMUM_BITS = 96
"""Nobody tries 2^96 keys; and a random key of 128 bits is never refused for looking like something else."""

_PUBLISHED = """
change-me: 32 characters or more, the same on every instance
0123456789 9876543210 abcdefghijklmnopqrstuvwxyz zyxwvutsrqponmlkjihgfedcba 0123456789abcdef
qwertyuiop asdfghjkl zxcvbnm qwertzuiop azertyuiop qazwsxedcrfvtgbyhnujmikolp
1q2w3e4r5t6y7u8i9o0p 1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p
password passphrase secret changeme letmein welcome admin default example test supersecret signing key hunter2
your 256 bit secret replace me insert here dummy placeholder todo sample key for tests only deadbeef cafebabe
my very own secret key that nobody knows this is not random long strong please do not share it with anyone
correct horse battery staple the quick brown fox jumps over the lazy dog
lorem ipsum dolor sit amet consectetur adipiscing elit
sluice azure functions development production staging server service token link export jwt acme corp company
january february march april june july august september october november december
monday sunday summer autumn winter spring
1999 2000 2010 2015 2018 2019 2020 2021 2022 2023 2024 2025 2026 2027 2028 2029 2030
"""
"""What a reference may point to besides the secret itself."""

_COMMON_PAIRS = frozenset(
    re.findall(
        "..",
        "thheineranreonatenndtiesorteofedisitalarsttontngsehaasouiolevecomedehiriroic"
        "neearacelichllbemasiomurcaeltalansdifohopeecprnoctusacotiltrlyncetutsssorsun"
        "lowageiewheewiemadolrtpowenaulnitsmoowpaimmiaishirsuidosiviaamficivipligtuev"
        "ldrympfeblabghtyopwosaayexkeuigreycryomybydoifup",
    )
)
"""Pairs of letters that make up most of English text."""

_BY_CHANCE = 0.22
_DEVIATIONS = 7
_PAIR = re.compile(r"(?=([a-z]{2}|[A-Z]{2}|[A-Z][a-z]))")
_BITS_A_LETTER = 1.3
_BITS_A_DIGIT = log2(10)
_BITS_A_STEP = 1.0
_SHORTEST_REFERENCE = 4
_HEXADECIMAL = re.compile(r"[0-9a-f-]*|[0-9A-F-]*")
_CONSIDERED = 256
_PLAIN = str.maketrans("013457@$!", "oieastasi")


def strength(secret: str) -> float:
    """The bits of the shortest description of a secret that is found; of its first 256 characters."""
    secret = secret[:_CONSIDERED]
    return min([_bits(secret), *(_bits(text) for text in _decoded(secret))])


def _bits(secret: str) -> float:
    plain = _comparable(secret)
    spaced = _comparable(_PUBLISHED)
    known = f"{spaced}\n{spaced.replace(' ', '')}\n"
    known += known[::-1]
    window = known + plain
    literal = log2(_alphabet(secret))
    english = _is_english(secret)
    # best[n]: the fewest bits that describe the first n characters.
    best = [0.0] + [float("inf")] * len(secret)
    for at in range(len(secret)):
        one = _BITS_A_STEP if _goes_on(secret, at) else literal
        if english:
            one = min(one, _BITS_A_DIGIT if secret[at].isdigit() else _BITS_A_LETTER)
        best[at + 1] = min(best[at + 1], best[at] + one)
        for size in range(_SHORTEST_REFERENCE, len(secret) - at + 1):
            if window.find(plain[at : at + size], 0, len(known) + at + size - 1) < 0:
                break
            best[at + size] = min(best[at + size], best[at] + log2(len(known) + at) + 2 * log2(size))
    return best[-1]


def _comparable(text: str) -> str:
    return re.sub("[^a-z0-9]", " ", text.lower().translate(_PLAIN))


def _decoded(secret: str) -> list[str]:
    """The texts that a secret is another notation of."""
    found = []
    for decode in (bytes.fromhex, lambda text: base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)):
        try:
            text = decode(
                secret.replace("+", "-").replace("/", "_") if decode is not bytes.fromhex else secret
            ).decode()
        except (ValueError, binascii.Error):
            continue
        if text.isprintable():
            found.append(text)
    return found


def _alphabet(secret: str) -> int:
    """The size of the smallest usual alphabet that has all of its characters; 2 at least."""
    if _HEXADECIMAL.fullmatch(secret):
        return 16 if re.search("[A-Fa-f]", secret) else 10
    sizes = {"[a-z]": 26, "[A-Z]": 26, "[0-9]": 10}
    others = set(re.sub("[A-Za-z0-9]", "", secret))
    return max(2, len(others) + sum(size for of, size in sizes.items() if re.search(of, secret)))


def _is_english(secret: str) -> bool:
    """Whether more pairs of its letters are pairs of English than chance explains."""
    if _HEXADECIMAL.fullmatch(secret):
        return False
    pairs = [pair.lower() in _COMMON_PAIRS for pair in _PAIR.findall(secret)]
    deviation = sqrt(_BY_CHANCE * (1 - _BY_CHANCE) * len(pairs))
    return len(pairs) > 0 and sum(pairs) >= _BY_CHANCE * len(pairs) + _DEVIATIONS * deviation


def _goes_on(secret: str, at: int) -> bool:
    """Whether the last two steps, to the next character or the next but one, are the same, and of one place or none."""
    for lag in (1, 2):
        if at >= 2 * lag:
            here, before, first = (ord(secret[at - n * lag]) for n in range(3))
            if here - before == before - first and abs(here - before) <= 1:
                return True
    return False
