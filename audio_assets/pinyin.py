"""The syllables of Mandarin, written in Hanyu Pinyin with a tone number: which there are, and what they are made of."""

import re

TONES = "12345"  # 5: none
_INITIALS = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcs")
_WRITTEN = """
    a ai an ang ao ba bai ban bang bao bei ben beng bi bian biao bie bin bing bo bu ca cai can cang cao ce cen ceng cha
    chai chan chang chao che chen cheng chi chong chou chu chua chuai chuan chuang chui chun chuo ci cong cou cu cuan cui
    cun cuo da dai dan dang dao de dei den deng di dia dian diao die ding diu dong dou du duan dui dun duo e ei en eng er
    fa fan fang fei fen feng fiao fo fou fu ga gai gan gang gao ge gei gen geng gong gou gu gua guai guan guang gui gun
    guo ha hai han hang hao he hei hen heng hong hou hu hua huai huan huang hui hun huo ji jia jian jiang jiao jie jin
    jing jiong jiu ju juan jue jun ka kai kan kang kao ke kei ken keng kong kou ku kua kuai kuan kuang kui kun kuo la lai
    lan lang lao le lei len leng li lia lian liang liao lie lin ling liu lo long lou lu luan lun luo lv lve ma mai man
    mang mao me mei men meng mi mian miao mie min ming miu mo mou mu na nai nan nang nao ne nei nen neng ni nian niang
    niao nie nin ning niu nong nou nu nuan nun nuo nv nve o ou pa pai pan pang pao pei pen peng pi pian piao pie pin ping
    po pou pu qi qia qian qiang qiao qie qin qing qiong qiu qu quan que qun ran rang rao re ren reng ri rong rou ru rua
    ruan rui run ruo sa sai san sang sao se sen seng sha shai shan shang shao she shei shen sheng shi shou shu shua shuai
    shuan shuang shui shun shuo si song sou su suan sui sun suo ta tai tan tang tao te tei teng ti tian tiao tie ting tong
    tou tu tuan tui tun tuo wa wai wan wang wei wen weng wo wu xi xia xian xiang xiao xie xin xing xiong xiu xu xuan xue
    xun ya yan yang yao ye yi yin ying yo yong you yu yuan yue yun za zai zan zang zao ze zei zen zeng zha zhai zhan zhang
    zhao zhe zhei zhen zheng zhi zhong zhou zhu zhua zhuai zhuan zhuang zhui zhun zhuo zi zong zou zu zuan zui zun zuo
"""
_SYLLABLES = frozenset(_WRITTEN.split())
_FINALS = {"iu": "iou", "ui": "uei", "un": "uen", "v": "ü", "ve": "üe"}
_ALONE = {  # what y and w stand for
    "yi": "i", "ya": "ia", "ye": "ie", "yao": "iao", "you": "iou", "yan": "ian", "yin": "in", "yang": "iang", "ying": "ing",
    "yong": "iong", "yo": "io", "yu": "ü", "yue": "üe", "yuan": "üan", "yun": "ün", "wu": "u", "wa": "ua", "wo": "uo", "wai": "uai",
    "wei": "uei", "wan": "uan", "wen": "uen", "wang": "uang", "weng": "ueng",
}  # fmt: skip
_FORM = re.compile(r"([a-z]+)([1-5])")


def is_syllable(text: str) -> bool:
    """Whether it is a syllable that Mandarin has, with its tone: lv4 is, lü4 and zhangg1 are not."""
    found = _FORM.fullmatch(text)
    return found is not None and found[1] in _SYLLABLES


def parts_of(syllable: str) -> tuple[str, str, int]:
    """Initial, full final and tone: zhuang1 → zh, uang, 1; yue4 → '', üe, 4; jun1 → j, ün, 1.

    :raises ValueError: no syllable.
    """
    if not is_syllable(syllable):
        raise ValueError(f"{syllable!r} is no syllable")
    letters, tone = syllable[:-1], int(syllable[-1])
    if letters in _ALONE:
        return "", _ALONE[letters], tone
    initial = next((one for one in _INITIALS if letters.startswith(one)), "")
    final = letters[len(initial) :]
    if initial in ("j", "q", "x") and final.startswith("u"):
        return initial, {"u": "ü", "ue": "üe", "uan": "üan", "un": "ün"}[final], tone
    return initial, _FINALS.get(final, final) if initial else final, tone
