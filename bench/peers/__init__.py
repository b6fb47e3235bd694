"""What the product is compared with. Each is as its own guide or defaults have it, in a file of its own."""
