"""Who uses the project: people, the families they form, and how they sign in and out."""
