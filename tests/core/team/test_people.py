"""Roles include those below them."""

from core.team.people import Role


def test_each_role_includes_those_before_it() -> None:
    allowed = {(one, other) for one in Role for other in Role if one.includes(other)}
    assert allowed == {
        (Role.VIEWER, Role.VIEWER),
        (Role.MEMBER, Role.VIEWER),
        (Role.MEMBER, Role.MEMBER),
        *((Role.ADMIN, role) for role in Role),
    }
