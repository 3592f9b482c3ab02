"""Arithmetic with infinite values, which numpy reports and statistics return as NaN."""

import numpy as np

#: Decorates functions that compute with recorded values. The difference of two infinite values is
#: NaN and reaches the result, so numpy's warning of it would tell the user nothing more. It is not
#: for generators, whose callers would run in the same state.
unwarned = np.errstate(invalid="ignore", over="ignore")
