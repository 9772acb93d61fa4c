"""The pages in a real browser, in front of a real Node-RED, a real broker and the real engine of a simulated house."""
