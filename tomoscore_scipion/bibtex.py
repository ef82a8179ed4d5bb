# SPDX-License-Identifier: GPL-3.0-or-later
"""
@article{Tan2024,
    title = {{TomoScore}: A Neural Network Approach for Quality Assessment of Cellular cryo-{ET}},
    author = {Tan, Xuqian and Boniuk, Ethan and Abraham, Anisha and Zhou, Xueting and Yu, Zhili and
              Ludtke, Steven J. and Wang, Zhao},
    journal = {bioRxiv},
    year = {2024},
    url = {https://doi.org/10.1101/2024.11.06.622356},
    note = {The source of the idea. This plugin is an independent implementation of it.}
}
@article{Grant2015,
    title = {Measuring the optimal exposure for single particle cryo-{EM} using a 2.6 {\\AA}
             reconstruction of rotavirus {VP6}},
    author = {Grant, Timothy and Grigorieff, Nikolaus},
    journal = {eLife},
    volume = {4},
    pages = {e06980},
    year = {2015},
    url = {https://doi.org/10.7554/eLife.06980}
}
"""
