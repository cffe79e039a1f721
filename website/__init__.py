"""What the README and the documentation are made with: numbers in words, pictures, gallery. No part of the package."""
