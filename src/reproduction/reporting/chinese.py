"""The page's headings and leading sentences in Chinese; what has no entry is shown in English only."""

TEXTS = {
    "Neural networks that draw, live in your browser": "会画画的神经网络，就在你的浏览器里运行",
    "These decoders were trained with [Jittor](https://github.com/Jittor/jittor) and run in this page: move a latent "
    "and watch the picture change.": (
        "这些解码器用 [Jittor](https://github.com/Jittor/jittor)（计图）训练，直接在本页中运行：拖动一个隐变量，看图像如何变化。"
    ),
    "A latent space to touch": "可以触摸的隐空间",
    "Beta, from 0 to 1": "beta，从 0 到 1",
    "A training, as a film": "一次训练的视频",
    "Speed beside PyTorch and JAX": "与 PyTorch 和 JAX 比较速度",
    "Five documents, claim by claim": "五篇源文档，逐条检验",
    "Five Chinese blog posts, the *source documents*, describe autoencoders, VAEs, CVAEs, a G-VAE and a WGAN. This "
    "project runs what they ran and says what holds. Every number is read from a file that the "
    "named command wrote.": (
        "五篇中文博客文章（*源文档*）介绍了自编码器、VAE、CVAE、G-VAE 和 WGAN。本项目重新运行其中的实验，"
        "并说明哪些论断成立。"
        "每个数字都读自所列命令写出的文件。"
    ),
    "A verdict follows from the numbers by the rule beside it; a claim without a number is judged with the evidence "
    "given. A document is *reproduced*, or *not*, if all of its claims are, else *partly*; if most of its claims have "
    "not been run, it is *not run yet*.": (
        "每个结论都按旁边的规则由数字得出；没有数字的论断根据所给证据判断。一篇文档的所有论断都成立（或都不成立）时，结论为"
        "*已复现*（或*未复现*），否则为*部分复现*；多数论断尚未运行时，为*尚未运行*。"
    ),
    "Likelihoods beside published ones": "似然与已发表数值的比较",
    "Document": "文档",
    "What it claims": "论断",
    "Verdict": "结论",
    "What it claims, and what came out": "论断与结果",
    "Its mistakes, and the corrected form": "其中的错误与改正",
    "Rule": "规则",
    "As printed": "原文",
    "Corrected": "改正",
    "reproduced": "已复现",
    "partly": "部分复现",
    "not reproduced": "未复现",
    "not run yet": "尚未运行",
    "VAE and CVAE": "VAE 与 CVAE",
    "A small fully connected VAE reconstructs and draws digits; adding the label (CVAE) makes it draw the digit one "
    "asks for.": "小型全连接 VAE 能重构并生成数字；加入标签后（CVAE），可以指定生成哪个数字。",
    "CVAE: networks, rates and losses": "CVAE：网络、学习率与损失",
    "Convolutions beat fully connected layers; the loss settles at 0.22; of the summed cross-entropies, that to the "
    "power 0.8 draws best.": "卷积网络优于全连接网络；损失稳定在 0.22；在求和的交叉熵中，0.8 次幂生成效果最好。",
    "AE, denoising AE, VAE, and Pokémon": "自编码器、去噪自编码器、VAE 与宝可梦",
    "A convolutional VAE with 1000 latents learns 819 Pokémon at 128 × 128, and one can walk through its latent "
    "space.": "1000 维隐变量的卷积 VAE 学习 819 只 128 × 128 的宝可梦，并能在隐空间中漫步。",
    "beta-VAE and WGAN": "beta-VAE 与 WGAN",
    "A fully connected beta-VAE and a WGAN learn to draw MNIST digits; beta between 0.02 and 0.15 works, 0 and 1 do "
    "not.": "全连接 beta-VAE 和 WGAN 学会生成 MNIST 数字；beta 取 0.02 至 0.15 有效，取 0 或 1 无效。",
    "G-VAE": "G-VAE",
    "A classifier under the ISDA loss makes a VAE's latent directions keep the class, so that it can augment a "
    "labelled data set.": "用 ISDA 损失训练的分类器使 VAE 的隐空间方向保持类别，因此可以用来增强带标签的数据集。",
}
