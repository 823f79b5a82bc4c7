from lrbench.errors import CheckError, LrbenchError, RequestError, did_you_mean


def test_the_nearest_word_is_suggested() -> None:
    assert did_you_mean("sasrek", ["sasrec", "lares"]) == 'Did you mean "sasrec"?'


def test_a_near_word_may_differ_in_case() -> None:
    assert did_you_mean("lares", ["DiffuReason", "LARES", "SASRec"]) == 'Did you mean "LARES"?'
    assert did_you_mean("LARES", ["lares", "sasrec"]) == 'Did you mean "lares"?'


def test_a_hyphen_is_as_good_as_a_space_for_a_suggestion() -> None:
    rows = ["PRL: loss matched", "PRL: flops matched", "PRL: noise only"]
    assert did_you_mean("PRL: FLOPs-matched", rows) == 'Did you mean "PRL: flops matched"?'


def test_without_a_near_word_all_are_listed() -> None:
    assert did_you_mean("zzz", ["sasrec", "lares"]) == "Known: lares, sasrec."
    assert did_you_mean("zzz", []) == ""


def test_exit_codes() -> None:
    assert (LrbenchError("a").exit_code, CheckError("a").exit_code, RequestError("a").exit_code) == (1, 1, 2)
    assert str(RequestError("Cause.", "Remedy.")) == "Cause. Remedy."


def test_at_most_twenty_names_are_listed() -> None:
    many = did_you_mean("zzz", (f"a{number:03}" for number in range(238)))
    assert many == f"Known: {', '.join(f'a{number:03}' for number in range(20))} and 218 more."


def test_what_a_message_quotes_cannot_reach_a_terminal_raw() -> None:
    error = RequestError("A file says \x1b]0;pwned\x07.", "Known: \x9b31m.\n  More.")
    assert str(error) == r"A file says \x1b]0;pwned\x07. Known: \x9b31m." + "\n  More."
    assert did_you_mean("user", ["user\x1b[2J"]) == r'Did you mean "user\x1b[2J"?'
