"""jambonz's custom speech vendor: `/v1/jambonz` over HTTP and as a WebSocket."""
