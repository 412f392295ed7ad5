"""Values of an axis of a heatmap."""


def spread(first: int, last: int, count: int) -> list[int]:
    """So many whole numbers from one to another at even ratios, one after the other where these lie closer.

    `grid` leaves out what would come twice; this keeps the number of them, as far as there are so many: a
    heatmap of 64 rows has 64. A single one is the last.
    """
    if count == 1 or first >= last:
        return [last]
    found, place = [first], float(first)
    for left in range(min(count, last - first + 1) - 1, 1, -1):
        # What is left is spread anew from here: small numbers cannot be as close as ratios ask.
        place = max(place * (last / place) ** (1 / left), found[-1] + 1)
        found.append(min(round(place), last - left + 1))
    return [*found, last]
