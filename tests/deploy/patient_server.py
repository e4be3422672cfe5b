"""`dlpo serve`, but a busy machine does not refuse what a test expects to be spoken."""

from __future__ import annotations

import sys

from dlpo_serving import server
from dlpo_serving.__main__ import main
from dlpo_serving.scheduling.stream import AdmissionPolicy

if __name__ == "__main__":
    patient = {"utilisation": 1e6, "burst_utilisation": 1e6}
    server.AdmissionPolicy = lambda **named: AdmissionPolicy(**(named | patient))
    sys.exit(main())
