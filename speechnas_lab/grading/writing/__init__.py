"""Writing exercises: `speechnas grade --new ID` makes the files of one and then says where it stands.

Read in this order: `source` (the files that make an exercise), `skeleton` (a new one), `trial` (does it hold?),
`changes` and `alive` (would a slip in the solution be noticed?), `status` (all of this as lines for its author).
"""
