"""What `tools/cov.py` combines: whole data files only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cov


def test_a_data_file_that_was_cut_off_is_not_whole(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("\n".join(f"x{n} = {n}" for n in range(500)))
    file = tmp_path / ".coverage"
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={tmp_path / 'none'}"]
    (tmp_path / "none").write_text("")
    subprocess.run([*command, f"--data-file={file}", str(program)], check=True, cwd=tmp_path)
    assert cov.is_whole(file)

    content = bytearray(file.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    file.write_bytes(content[: 3 * page])  # never written
    assert not cov.is_whole(file)
    content[2 * page :] = b"\xff" * (len(content) - 2 * page)  # written in part
    file.write_bytes(content)
    assert not cov.is_whole(file)
    file.write_bytes(b"no database at all, though as long as the head of one is" * 20)
    assert not cov.is_whole(file)
