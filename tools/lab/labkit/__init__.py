"""The lab: a real directory, a real SCIM provider and a real OAuth server."""
