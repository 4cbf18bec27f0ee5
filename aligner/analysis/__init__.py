"""The experiments of Kobayashi et al. (2020), on anyone's models and text."""
