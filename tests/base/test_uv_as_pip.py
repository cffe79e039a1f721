"""uv looks for packages where pip would."""

from sgpipe.base.uv_as_pip import environment, uv_variables


def test_what_pip_has_been_told_is_said_to_uv():
    listed = [
        "global.index-url='https://mirror/simple'",
        "global.extra-index-url='https://one/simple\\nhttps://two/simple'",
        "global.find-links='/site/wheels'",
        "install.find-links='/install/wheels /more/wheels'",
        ":env:.find-links='/own/wheels /others'",
        "global.timeout='180'",
    ]
    assert uv_variables(listed) == {
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "UV_INDEX": "https://one/simple https://two/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/own/wheels,/others",
    }
    assert uv_variables([]) == {}


def test_what_uv_itself_has_been_told_comes_first():
    listed = ["global.index-url='https://mirror/simple'"]
    assert environment(listed, {"UV_DEFAULT_INDEX": "https://mine/simple", "HOME": "/h"}) == {
        "UV_DEFAULT_INDEX": "https://mine/simple",
        "HOME": "/h",
    }
