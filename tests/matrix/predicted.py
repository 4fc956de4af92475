"""What the literature predicts for the cells that theory decides: one letter a column, a dot where it says nothing definite.

Collected from the papers named in the losses' docstrings and from Bradley-Terry and f-divergence theory.
"""

COLUMNS = ("Sh", "Rf", "Tr", "Cvx", "BT", "=RLHF", "Flip", "Mon", "Van", "Gb", "Lb", "Len")

PREDICTED = {
    "DPO": "yyyyyynyyyyL",
    "CDPO": "yyyynnnnnyyL",
    "IPO": "yyyynnnnynyL",
    "Hinge": "yyyynnyyyyyL",
    "SLiC(nll_weight=0.0)": "ynyynnyyyyyL",
    "ExponentialGPO": "yyyynnnyynyL",
    "TruncatedQuadratic": "yyyynnnyynyL",
    "Savage": "yyynyynyyyyL",
    "EXO": "yyynnnnnyyyL",
    "NCA": "nynynnnnnyyL",
    "InfoNCA": "yyyyyynyyyyL",
    "BCOPair": "nynynnnyyyyL",
    "KTO": "nynnnn.yyyyL",
    "APOZero": "nynnnn.yyyyL",
    "APODown": "nynnnnnn.yyL",
    "SPPO": "nynynnnnynyL",
    "AOT": "yyyn.nnyyyyL",
    "DiscoPOP": "yyynnnnnyyyL",
    "SimPO": "ynyynnnyyyyN",
    "ORPO": "nnnnnnny..yN",
    "CPO": "nnnynnny..yL",
    "DPOP": "nynynnny.yyL",
    "ODPO": "yyyynnnyyyyL",
    "JensenShannonDPO": "yynyyynyy.yL",
    "ChiPO": "yynyy.nyynyL",
    "SquaredPO": "yynny.nn.nyL",
    "XPO": "nyny..nn.ynL",
    "Unlikelihood": ".n..nnnynynL",
    "PreferredFT": "nnnynnny.yyL",
    "RDPO": "yyyyy.nyyyy.",
    "HolderDPO": "yyyn...yyyyL",
    "RPO": "nynynnny.yyL",
    "RobustDPO": "yyyy...ynynL",
    "RobustDPO, labels flipped": "....yy......",
}
