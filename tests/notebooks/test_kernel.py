"""Every notebook in a kernel, as Jupyter runs it, without a front end."""

import pytest
from nbclient import NotebookClient

from tests.notebooks import cells


@pytest.mark.parametrize("name", cells.NAMES)
def test_it_runs_in_a_kernel(name, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(cells.FOLDER.parent))
    notebook = cells.read(name)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in shown if output.output_type == "error"]
    assert not [output for output in shown if output.get("name") == "stderr"]
    data = [output.data for output in shown if "data" in output]
    assert any("image/png" in one for one in data)
    assert any("<math" in one.get("text/html", "") for one in data)
    assert any("application/vnd.jupyter.widget-view+json" in one for one in data)
    assert "All of it holds." in "".join(output.text for output in notebook.cells[-1].outputs if output.output_type == "stream")
    assert list(tmp_path.glob("*.csv")) == []
