import pytest
from pydantic import ValidationError

from schemas.runtime import EngineRuntime


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "remote"}, "kind remote needs urls"),
        ({"kind": "remote", "urls": []}, "kind remote needs urls"),
        ({"urls": ["http://127.0.0.1:9"]}, "urls would not be used"),
    ],
)
def test_addresses_are_given_where_they_are_asked_and_nowhere_else(given, said):
    with pytest.raises(ValidationError, match=said):
        EngineRuntime.model_validate(given)
