"""The venue's three exchangeable models: latency, queue and fees, each a class that the configuration names.

To add one: write a class beside the others, with the methods of the module's first class; add its word to the field of
`SimulatorConfig` that chooses (`latency_model`, `queue` or `fees`); let the module's factory (`latency_of`, `queue_of`
or `fees_of`) return it for that word. Nothing else knows which models there are. The auditor alone must learn another
fee, as it computes every fee again.
"""
