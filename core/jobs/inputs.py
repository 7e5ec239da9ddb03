"""What a run's settings name besides numbers: a dataset and a correction set, which another server may not have."""

from pathlib import Path

from core.data.identity import same_images
from core.errors import DataError, RunError
from core.review.corrections import load_corrections


def missing_inputs(runs_root: Path, data_root: Path, dataset: str, corrections: str) -> dict[str, str]:
    """What of a run's inputs is not on this server, or does not belong together.

    Args:
        dataset: as in `TrainConfig.dataset`.
        corrections: as in `TrainConfig.corrections`; empty for none.

    Returns:
        By field one clause that says what is wrong; a correction set can only be checked against an existing dataset.
    """
    from core.data.dataset import read_identity

    missing, made_on, data = {}, None, None
    try:
        data = read_identity(data_root, dataset)
    except DataError:
        missing["dataset"] = f"the dataset {dataset!r} is not on this server"
    try:
        made_on = load_corrections(runs_root, corrections).data if corrections else None
    except RunError:
        missing["corrections"] = f"the correction set {corrections!r} is not on this server"
    if made_on and data and not same_images([made_on, data]):
        missing["corrections"] = f"the correction set {corrections!r} was made for other data than {dataset!r}"
    return missing


def check_inputs(runs_root: Path, data_root: Path, dataset: str, corrections: str) -> None:
    """Refuse to start from inputs that are not on this server.

    Raises:
        RunError: one sentence that names what is missing and how to select another.
    """
    from core.data.dataset import list_datasets

    missing = missing_inputs(runs_root, data_root, dataset, corrections)
    if not missing:
        return
    here = ", ".join(info.name for info in list_datasets(data_root)) or "none yet"
    remedies = {
        "dataset": f"import it, or clone the run with another (--set dataset=NAME; available: {here})",
        "corrections": "clone the run with another (--set corrections=NAME, or --set corrections= for none)",
    }
    said = "; ".join(f"{clause}: {remedies[field]}" for field, clause in missing.items())
    raise RunError(f"{said[0].upper()}{said[1:]}.")
