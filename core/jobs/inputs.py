"""What a run's settings name besides numbers: a dataset and a correction set, which another server may not have."""

from pathlib import Path

from core.config import TrainConfig
from core.data.identity import same_images
from core.errors import DataError, RunError
from core.review.corrections import Corrections, check_fits, load_corrections
from core.runs.teachers import Teaching, choose_teaching


def missing_inputs(runs_root: Path, data_root: Path, dataset: str, corrections: str) -> dict[str, str]:
    """What of a run's inputs is not on this server, or does not belong together.

    Args:
        dataset: as in `TrainConfig.dataset`.
        corrections: as in `TrainConfig.corrections`; empty for none.

    Returns:
        By field one clause that says what is wrong; a correction set can only be checked against an existing dataset.
    """
    return _look_up(runs_root, data_root, dataset, corrections)[0]


def check_inputs(runs_root: Path, data_root: Path, dataset: str, corrections: str) -> Corrections | None:
    """Refuse to start from inputs that are not on this server.

    Returns:
        The correction set, if one is named; it may still name images that the dataset does not have.

    Raises:
        RunError: one sentence that names what is missing and how to select another.
    """
    from core.data.dataset import list_datasets

    missing, found = _look_up(runs_root, data_root, dataset, corrections)
    if not missing:
        return found
    here = ", ".join(info.name for info in list_datasets(data_root)) or "none yet"
    remedies = {
        "dataset": f"import it, or clone the run with another (--set dataset=NAME; available: {here})",
        "corrections": "clone the run with another (--set corrections=NAME, or --set corrections= for none)",
    }
    said = "; ".join(f"{clause}: {remedies[field]}" for field, clause in missing.items())
    raise RunError(f"{said[0].upper()}{said[1:]}.")


def _look_up(
    runs_root: Path, data_root: Path, dataset: str, corrections: str
) -> tuple[dict[str, str], Corrections | None]:
    """What is missing, as `missing_inputs` returns it, and the correction set, if it is there."""
    from core.data.dataset import read_identity

    missing, found, data = {}, None, None
    try:
        data = read_identity(data_root, dataset)
    except DataError:
        missing["dataset"] = f"the dataset {dataset!r} is not on this server"
    try:
        found = load_corrections(runs_root, corrections) if corrections else None
    except RunError:
        missing["corrections"] = f"the correction set {corrections!r} is not on this server"
    if found and data and not same_images([found.data, data]):
        missing["corrections"] = f"the correction set {corrections!r} was made for other data than {dataset!r}"
    return missing, found


def what_is_learned_from(
    runs_root: Path, data_root: Path, config: TrainConfig, corrections: Corrections | None = None
) -> tuple[Corrections | None, Teaching | None]:
    """The correction set and the teachers that settings name, checked.

    Args:
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        config: the settings.
        corrections: the set that they name, if the caller has loaded it already.

    Raises:
        RunError: the correction set is missing or does not fit the data, or a run that is to teach must not.
        DataError: there is a correction set or a teacher, but no dataset it could be for.
    """
    if config.corrections and corrections is None:
        corrections = load_corrections(runs_root, config.corrections)
    if corrections:
        check_fits(corrections, data_root, config.dataset)
    return corrections, choose_teaching(runs_root, data_root, config)
