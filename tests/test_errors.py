from lrbench.errors import CheckError, LrbenchError, RequestError, did_you_mean


def test_the_nearest_word_is_suggested() -> None:
    assert did_you_mean("sasrek", ["sasrec", "lares"]) == 'Did you mean "sasrec"?'


def test_without_a_near_word_all_are_listed() -> None:
    assert did_you_mean("zzz", ["sasrec", "lares"]) == "Known: lares, sasrec."
    assert did_you_mean("zzz", []) == ""


def test_exit_codes() -> None:
    assert (LrbenchError("a").exit_code, CheckError("a").exit_code, RequestError("a").exit_code) == (1, 1, 2)
    assert str(RequestError("Cause.", "Remedy.")) == "Cause. Remedy."
