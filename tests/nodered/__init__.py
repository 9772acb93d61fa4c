"""Node-RED in front of a running engine: a real broker, a real Node-RED, the flows as they are shipped."""
