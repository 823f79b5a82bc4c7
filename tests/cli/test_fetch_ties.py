"""What ``fetch`` says of times that do not order the interactions of a user."""

from pathlib import Path

from desk import Desk

USERS, DAY = 10, 86_400


def test_the_share_of_tied_users_is_printed(tmp_path: Path) -> None:
    """Of half of the users the last two interactions have the same day."""
    rows = [
        f"u{user},i{place},{(place - (place == 9 and user < USERS // 2)) * DAY}"
        for user in range(USERS)
        for place in range(10)
    ]
    (tmp_path / "days.csv").write_text("user,item,time\n" + "\n".join(rows) + "\n", encoding="utf-8")
    columns = "user=user,item=item,time=time"
    ended = Desk(tmp_path).run("fetch", "days", "--from", "days.csv", "--columns", columns)
    assert (
        "times: 50.0% of the users have their last two interactions at the same time"
        in ended.stdout + ended.stderr
    )
