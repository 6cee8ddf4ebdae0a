"""Words that the project once had of its own stay out of code, documents and messages.

The field's standard words stand in their place: https-free list beside each word below.
"""
