"""Weather services, power exchanges and banks: who is asked, and what their answers mean."""
