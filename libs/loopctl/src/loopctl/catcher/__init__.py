"""The catcher: stands in for Slack, a mail server and HubSpot, and shows what people would have received.

Production code does not know it: the services only get base URLs. It answers as the real things do, errors included
(`POST /api/faults` makes it fail on purpose), and keeps what it caught over restarts.
"""
