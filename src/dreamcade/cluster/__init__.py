"""Which device does what: the plan, a world's parts spread over devices, and the processes that run them."""
