"""Read what belongs to an exercise (`speechnas_lab.grading.writing.source`), under the names that tests use."""

from __future__ import annotations

from speechnas_lab.grading import EXERCISES
from speechnas_lab.grading.writing.source import ROOT, cells_code, defined, files, message, solution_code
from speechnas_lab.grading.writing.source import answers as mutants

__all__ = ["EXERCISES", "HERE", "ROOT", "cells_code", "defined", "message", "mutants", "solution_code"]
HERE = [id for id in EXERCISES if files(id).checks.exists()]
