"""The door: python train.py model=hovernet data=pannuke."""

from histoseg.cli.train import main

if __name__ == "__main__":
    main()
