"""Numbers as people read them: bytes in GB and GiB, parameters in millions and billions, shares in per cent.

Exact up to the last digit shown: the sums are whole numbers of up to 128 bits, and stay whole numbers here.
"""

from collections.abc import Sequence

_THOUSANDS = ("", "K", "M", "B", "T", "Q")
_BYTES_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BYTES_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


def decimal_bytes(count: int) -> str:
    """Bytes in powers of 1000, as `688.57 GB`."""
    return _scaled(count, 1000, _BYTES_DECIMAL)


def binary_bytes(count: int) -> str:
    """Bytes in powers of 1024, as `641.29 GiB`."""
    return _scaled(count, 1024, _BYTES_BINARY)


def both_bytes(count: int) -> str:
    """Bytes in powers of 1000 and of 1024, as `688.57 GB (641.29 GiB)`."""
    return f"{decimal_bytes(count)} ({binary_bytes(count)})"


def short_count(count: int) -> str:
    """A count in thousands (K), millions (M), billions (B) or trillions (T), as `684.49 B`."""
    return _scaled(count, 1000, _THOUSANDS)


def tera(rate: int) -> str:
    """Operations per second in trillions with a digit behind the point, rounded half up, as `1,978.9 T`."""
    tenths = (rate + 5 * 10**10) // 10**11
    return f"{tenths // 10:,}.{tenths % 10} T"


def exact_count(count: int) -> str:
    """A count with all its digits, as `684,489,845,504`."""
    return f"{count:,}"


def share(part: int, whole: int) -> str:
    """A part of a whole in per cent, as `95.0%`; `<0.1%` for what is there but would show as nothing."""
    if part == 0 or whole == 0:
        return "0.0%"
    thousandths = (2000 * part + whole) // (2 * whole)
    return f"{thousandths // 10}.{thousandths % 10}%" if thousandths else "<0.1%"


def signed_bytes(count: int) -> str:
    """Bytes in powers of 1024 that may be below 0, as `-1.29 GiB`."""
    return f"{'-' if count < 0 else ''}{binary_bytes(abs(count))}"


def tokens(count: int) -> str:
    """A number of tokens, whole thousands of 1024 as `32k`."""
    return f"{count // 1024}k" if count and count % 1024 == 0 else f"{count:,}"


def plural(count: int, noun: str) -> str:
    """A count with its noun, as `1 shard` or `163 shards`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _scaled(count: int, step: int, units: Sequence[str]) -> str:
    """Two decimals, rounded half up, of the largest unit that leaves at least one before the point."""
    if count < step:
        return f"{count} {units[0]}".rstrip()
    scale = 1
    for unit in units[1:]:
        scale *= step
        hundredths = (200 * count + scale) // (2 * scale)
        # 999,999 rounds to 1000.00 K, which is 1.00 M.
        if hundredths < 100 * step or unit == units[-1]:
            return f"{hundredths // 100}.{hundredths % 100:02} {unit}"
    raise AssertionError("the last unit takes everything")
