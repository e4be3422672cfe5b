"""Wyoming, Home Assistant's voice protocol."""

from dlpo_serving.protocols.api import Api

API = Api(
    name="Wyoming",
    page="howto/home-assistant.md",
    uses="Home Assistant",
    pieces="yes",
    keys=None,
)
