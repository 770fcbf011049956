"""Expected numbers of OpenCV's bilinear resize: python3 resize_opencv.py > ../data/golden/resize_opencv.txt

Made with opencv-python-headless 5.0.0. Each record: height width, then the pixels (R, G, B as
given to OpenCV). The first record of a block is the input, the number after "input" says how many
outputs follow.
"""
import cv2
import numpy as np


def show(image):
    print(image.shape[0], image.shape[1], *image.reshape(-1))


draw = np.random.RandomState(7)
for (height, width), outputs in [
    ((7, 9), [(7, 9), (4, 5), (10, 13), (14, 18), (9, 3), (1, 1)]),
    ((6, 8), [(3, 4), (3, 8), (5, 7)]),
    ((1, 1), [(2, 3)]),
]:
    image = draw.randint(0, 256, (height, width, 3)).astype(np.uint8)
    print("input", len(outputs))
    show(image)
    for out_height, out_width in outputs:
        show(cv2.resize(image, (out_width, out_height), interpolation=cv2.INTER_LINEAR))
