# %% given
def dominates(a, b):
    return a[0] <= b[0] and a[1] <= b[1] and (a[0] < b[0] or a[1] < b[1])

# %% wrong: all against all
# says: sort first
def front(points):
    return [i for i, p in enumerate(points) if not any(dominates(q, p) for q in points)]

# %% wrong: against the front so far
# says: sort first
def front(points):
    kept = []
    for i, p in enumerate(points):
        if not any(dominates(points[k], p) for k in kept):
            kept = [k for k in kept if not dominates(p, points[k])] + [i]
    return kept

# %% wrong: strictly better in both
# says: a tie in one objective does not protect
def front(points):
    return [i for i, p in enumerate(points) if not any(q[0] < p[0] and q[1] < p[1] for q in points)]

# %% wrong: equal points throw each other out
# says: threw each other out
def front(points):
    return [i for i, p in enumerate(points)
            if not any(q[0] <= p[0] and q[1] <= p[1] for j, q in enumerate(points) if j != i)]

# %% wrong: a point dominates itself
# says: does not dominate itself
def front(points):
    return [i for i, p in enumerate(points) if not any(q[0] <= p[0] and q[1] <= p[1] for q in points)]

# %% wrong: higher is better
# says: not higher
def front(points):
    return [i for i, p in enumerate(points) if not any(dominates(p, q) for q in points)]

# %% wrong: duplicates stay once
# says: all of them stay
def front(points):
    kept, best = [], None
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        if best is None or points[i][1] < best:
            best = points[i][1]
            kept.append(i)
    return sorted(kept)

# %% wrong: sweep that keeps ties
# says: not merely stay as low
def front(points):
    kept, best = [], None
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        if best is None or points[i][1] <= best:
            best = points[i][1]
            kept.append(i)
    return sorted(kept)

# %% wrong: sorted by the first value alone
# says: lowest second has to come first
def front(points):
    kept, best = [], None
    for i in sorted(range(len(points)), key=lambda i: points[i][0]):
        if best is None or points[i][1] < best[1] or points[i] == best:
            best = points[i]
            kept.append(i)
    return sorted(kept)

# %% wrong: in the order of the sweep
# says: not in ascending order
def front(points):
    kept, best = [], None
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        if best is None or points[i][1] < best[1] or points[i] == best:
            best = points[i]
            kept.append(i)
    return kept

# %% wrong: the points themselves
# says: not the points
def front(points):
    return [p for p in points if not any(dominates(q, p) for q in points)]

# %% wrong: only the best of each objective
# says: not what lies between
def front(points):
    if not points:
        return []
    ends = {min(points), min(points, key=lambda p: (p[1], p[0]))}
    return [i for i, p in enumerate(points) if p in ends]

# %% wrong: sorts the caller's list
# says: points.sort()
def front(points):
    places = {}
    for i, p in enumerate(points):
        places.setdefault(p, []).append(i)
    points.sort()
    kept, best = [], None
    for p in points:
        if best is None or p[1] < best:
            best = p[1]
            kept += places[p]
    return sorted(kept)

# %% wrong: True for those that stay
# says: the places that are True
def front(points):
    return [not any(a <= c and b <= d and (a, b) != (c, d) for a, b in points) for c, d in points]

# %% wrong: places in the sorted list
# says: places in the sorted list
def front(points):
    kept, best = [], None
    for i, p in enumerate(sorted(points)):
        if best is None or p[1] < best[1] or p == best:
            best = p
            kept.append(i)
    return kept

# %% wrong: sorts in place, then counts places
# says: places in the sorted list
def front(points):
    points.sort()
    kept, best = [], None
    for i, p in enumerate(points):
        if best is None or p[1] < best[1] or p == best:
            best = p
            kept.append(i)
    return kept

# %% right: a dictionary of places
def front(points):
    places = {}
    for i, p in enumerate(points):
        places.setdefault(p, []).append(i)
    kept, best = [], None
    for p in sorted(places):
        if best is None or p[1] < best:
            best = p[1]
            kept.extend(places[p])
    return sorted(kept)

# %% right: from the other end, by the second value
def front(rows):
    order = sorted(range(len(rows)), key=lambda i: (rows[i][1], rows[i][0]))
    lowest, last, found = float("inf"), None, []
    for i in order:
        x, y = rows[i]
        if x < lowest or (x, y) == last:
            lowest, last = x, (x, y)
            found.append(i)
    found.sort()
    return found

# %% right: divide and conquer
def front(points):
    def merge(group):
        if len(group) < 2:
            return group
        left, right = merge(group[:len(group) // 2]), merge(group[len(group) // 2:])
        lowest = min(points[i][1] for i in left)
        edge = points[left[-1]]
        return left + [i for i in right if points[i][1] < lowest or points[i] == edge]

    return sorted(merge(sorted(range(len(points)), key=lambda i: points[i])))
