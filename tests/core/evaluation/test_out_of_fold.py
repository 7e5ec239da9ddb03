"""Out-of-fold probabilities: each image from the runs that held it out."""

import numpy as np

from core.evaluation.out_of_fold import out_of_fold
from tests.core.evaluation.test_label_quality import made_up, table


def test_folds_complete_each_other_and_runs_of_one_fold_are_averaged() -> None:
    labels, first = made_up(4)
    second = made_up(5)[1]
    whole, other = table(labels, first), table(labels, second)
    ids = whole["image_id"].to_numpy()
    order = np.random.default_rng(0).permutation(len(ids))
    tables = [whole[whole.index % 2 == 0], whole[whole.index % 2 == 1], other[:100]]
    found, known = out_of_fold(tables, ids[order])
    assert found.dtype == np.float32 and known.all() and np.allclose(found.sum(axis=1), 1, atol=1e-6)
    expected = np.concatenate([(first[:100] + second[:100]) / 2, first[100:]])
    assert np.allclose(found, expected[order], atol=1e-6)


def test_an_image_that_no_run_held_out_is_not_known() -> None:
    labels, probabilities = made_up(4)
    whole = table(labels, probabilities)
    ids = np.append(whole["image_id"].to_numpy()[:3], "image/none")
    found, known = out_of_fold([whole], ids)
    assert known.tolist() == [True, True, True, False] and not found[3].any()
    assert not out_of_fold([], ids)[1].any()
