"""What every gRPC service of the server shares: the interceptor of calls, errors as statuses."""
