"""Folders of the project that tests name."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_TENSORFLOW = Path(__file__).parent / "without_tensorflow"  # for PYTHONPATH
