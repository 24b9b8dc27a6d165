"""What can be measured on a picture: colour, sharpness, copies, the subject, and the judge's readings."""
