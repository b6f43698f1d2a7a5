"""How programs name the joints of a person: tables for the tests of joint names."""

from __future__ import annotations

import numpy as np

from kinema.scene.skeleton import SMPL24, Skeleton

TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
LIMBS = ("collar", "shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot")
_ABOVE = dict(zip(TRUNK, ("", *TRUNK), strict=False)) | {
    "collar": "spine3",
    "shoulder": "collar",
    "elbow": "shoulder",
    "wrist": "elbow",
    "hand": "wrist",
    "hip": "pelvis",
    "knee": "hip",
    "ankle": "knee",
    "foot": "ankle",
}

CONVENTIONS: dict[str, tuple[str, str, tuple[str, str], str]] = {
    # trunk, limbs with # for the side and @ for a running number, the sides, and joints beside them (on what follows >)
    "mixamo": (
        "mixamorig:Hips,mixamorig:Spine,mixamorig:Spine1,mixamorig:Spine2,mixamorig:Neck,mixamorig:Head",
        "mixamorig:#Shoulder,mixamorig:#Arm,mixamorig:#ForeArm,mixamorig:#Hand,mixamorig:#HandMiddle1,"
        "mixamorig:#UpLeg,mixamorig:#Leg,mixamorig:#Foot,mixamorig:#ToeBase",
        ("Left", "Right"),
        "mixamorig:#HandThumb1>wrist,mixamorig:#Toe_End>foot",
    ),
    "sketchfab": (
        "mixamorig:Hips_@,mixamorig:Spine_@,mixamorig:Spine1_@,mixamorig:Spine2_@,mixamorig:Neck_@,mixamorig:Head_@",
        "mixamorig:#Shoulder_@,mixamorig:#Arm_@,mixamorig:#ForeArm_@,mixamorig:#Hand_@,mixamorig:#HandMiddle1_@,"
        "mixamorig:#UpLeg_@,mixamorig:#Leg_@,mixamorig:#Foot_@,mixamorig:#ToeBase_@",
        ("Left", "Right"),
        "",
    ),
    "ready player me": (
        "Hips,Spine,Spine1,Spine2,Neck,Head",
        "#Shoulder,#Arm,#ForeArm,#Hand,#HandMiddle1,#UpLeg,#Leg,#Foot,#ToeBase",
        ("Left", "Right"),
        "#Eye>head,HeadTop_End>head",
    ),
    "maya humanik": (
        "Character1_Hips,Character1_Spine,Character1_Spine1,Character1_Spine2,Character1_Neck,Character1_Head",
        "Character1_#Shoulder,Character1_#Arm,Character1_#ForeArm,Character1_#Hand,Character1_#HandMiddle1,"
        "Character1_#UpLeg,Character1_#Leg,Character1_#Foot,Character1_#ToeBase",
        ("Left", "Right"),
        "Character1_#ForeArmRoll>elbow,Character1_#UpLegRoll>hip",
    ),
    "maya": (
        "C_hip_jnt,C_spine01_jnt,C_spine02_jnt,C_spine03_jnt,C_neck_jnt,C_head_jnt",
        "#_clavicle_jnt,#_upperArm_jnt,#_lowerArm_jnt,#_hand_jnt,#_middle1_jnt,"
        "#_upperLeg_jnt,#_lowerLeg_jnt,#_foot_jnt,#_toe_jnt",
        ("L", "R"),
        "#_upperLegTwist_jnt>hip,#_footIk_jnt>",
    ),
    "maya namespaces": (
        "rig:body:Hips,rig:body:Spine,rig:body:Chest,rig:body:UpperChest,rig:body:Neck,rig:body:Head",
        "rig:body:clavicle_#,rig:body:shoulder_#,rig:body:elbow_#,rig:body:wrist_#,rig:body:middle_01_#,"
        "rig:body:hip_#,rig:body:knee_#,rig:body:ankle_#,rig:body:ball_#",
        ("lf", "rt"),
        "",
    ),
    "3ds max biped": (
        "Bip01 Pelvis,Bip01 Spine,Bip01 Spine1,Bip01 Spine2,Bip01 Neck,Bip01 Head",
        "Bip01 # Clavicle,Bip01 # UpperArm,Bip01 # Forearm,Bip01 # Hand,Bip01 # Finger1,"
        "Bip01 # Thigh,Bip01 # Calf,Bip01 # Foot,Bip01 # Toe0",
        ("L", "R"),
        "Bip01 # Toe0Nub>foot,Bip01 # Finger0>wrist,Bip01 HeadNub>head",
    ),
    "biped in Unity": (
        "Bip001 Pelvis,Bip001 Spine,Bip001 Spine1,Bip001 Spine2,Bip001 Neck,Bip001 Head",
        "Bip001 # Clavicle,Bip001 # UpperArm,Bip001 # Forearm,Bip001 # Hand,Bip001 # Finger1,"
        "Bip001 # Thigh,Bip001 # Calf,Bip001 # Foot,Bip001 # Toe0",
        ("L", "R"),
        "Bone_Weapon>wrist",
    ),
    "valve": (
        "ValveBiped.Bip01_Pelvis,ValveBiped.Bip01_Spine,ValveBiped.Bip01_Spine1,ValveBiped.Bip01_Spine2,"
        "ValveBiped.Bip01_Neck1,ValveBiped.Bip01_Head1",
        "ValveBiped.Bip01_#_Clavicle,ValveBiped.Bip01_#_UpperArm,ValveBiped.Bip01_#_Forearm,ValveBiped.Bip01_#_Hand,"
        "ValveBiped.Bip01_#_Finger1,ValveBiped.Bip01_#_Thigh,ValveBiped.Bip01_#_Calf,ValveBiped.Bip01_#_Foot,"
        "ValveBiped.Bip01_#_Toe0",
        ("L", "R"),
        "ValveBiped.Bip01_#_Ulna>elbow,ValveBiped.forward>head",
    ),
    "unreal": (
        "pelvis,spine_01,spine_02,spine_03,neck_01,head",
        "clavicle_#,upperarm_#,lowerarm_#,hand_#,middle_01_#,thigh_#,calf_#,foot_#,ball_#",
        ("l", "r"),
        "ik_foot_#>,ik_hand_#>,thigh_twist_01_#>hip,upperarm_twist_01_#>shoulder,index_01_#>wrist",
    ),
    "unity humanoid": (
        "Hips,Spine,Chest,UpperChest,Neck,Head",
        "#Shoulder,#UpperArm,#LowerArm,#Hand,#MiddleProximal,#UpperLeg,#LowerLeg,#Foot,#Toes",
        ("Left", "Right"),
        "Jaw>head",
    ),
    "vrma": (
        "hips,spine,chest,upperChest,neck,head",
        "#Shoulder,#UpperArm,#LowerArm,#Hand,#MiddleProximal,#UpperLeg,#LowerLeg,#Foot,#Toes",
        ("left", "right"),
        "#Eye>head",
    ),
    "vroid": (
        "J_Bip_C_Hips,J_Bip_C_Spine,J_Bip_C_Chest,J_Bip_C_UpperChest,J_Bip_C_Neck,J_Bip_C_Head",
        "J_Bip_#_Shoulder,J_Bip_#_UpperArm,J_Bip_#_LowerArm,J_Bip_#_Hand,J_Bip_#_Middle1,"
        "J_Bip_#_UpperLeg,J_Bip_#_LowerLeg,J_Bip_#_Foot,J_Bip_#_ToeBase",
        ("L", "R"),
        "J_Sec_Hair1_01>head,J_Sec_#_Bust1>spine3,J_Adj_#_FaceEye>head",
    ),
    "rigify": (
        "DEF-spine,DEF-spine.001,DEF-spine.002,DEF-spine.003,DEF-neck,DEF-head",
        "DEF-shoulder.#,DEF-upper_arm.#,DEF-forearm.#,DEF-hand.#,DEF-f_middle.01.#,"
        "DEF-thigh.#,DEF-shin.#,DEF-foot.#,DEF-toe.#",
        ("L", "R"),
        "DEF-thigh.#.001>hip,DEF-upper_arm.#.001>shoulder,ORG-thigh.#>,MCH-foot_ik.#>,DEF-breast.#>spine3",
    ),
    "rigify in three.js": (
        "DEF-spine,DEF-spine001,DEF-spine002,DEF-spine003,DEF-neck,DEF-head",
        "DEF-shoulder#,DEF-upper_arm#,DEF-forearm#,DEF-hand#,DEF-f_middle01#,DEF-thigh#,DEF-shin#,DEF-foot#,DEF-toe#",
        ("L", "R"),
        "DEF-thigh#001>hip",
    ),
    "blender metarig": (
        "spine,spine.001,spine.002,spine.003,neck,head",
        "shoulder.#,upper_arm.#,forearm.#,hand.#,f_middle.01.#,thigh.#,shin.#,foot.#,toe.#",
        ("L", "R"),
        "heel.02.#>ankle,pelvis.#>pelvis",
    ),
    "blender armature": (
        "Armature|Hips,Armature|Spine,Armature|Chest,Armature|Torso,Armature|Neck,Armature|Head",
        "Armature|Shoulder.#,Armature|UpperArm.#,Armature|LowerArm.#,Armature|Hand.#,Armature|Middle1.#,"
        "Armature|UpperLeg.#,Armature|LowerLeg.#,Armature|Foot.#,Armature|Toe.#",
        ("L", "R"),
        "Armature|PoleTarget.#>",
    ),
    "auto-rig pro": (
        "root.x,spine_01.x,spine_02.x,spine_03.x,neck.x,head.x",
        "shoulder.#,arm_stretch.#,forearm_stretch.#,hand.#,c_middle1.#,thigh_stretch.#,leg_stretch.#,foot.#,toes_01.#",
        ("l", "r"),
        "thigh_twist.#>hip,arm_twist.#>shoulder,leg_twist.#>knee",
    ),
    "daz genesis 8": (
        "hip,abdomenLower,chestLower,chestUpper,neckLower,head",
        "#Collar,#ShldrBend,#ForearmBend,#Hand,#Mid1,#ThighBend,#Shin,#Foot,#Toe",
        ("l", "r"),
        "#ThighTwist>hip,#ShldrTwist>shoulder,#ForearmTwist>elbow,#BigToe>foot,#Pectoral>spine3",
    ),
    "poser": (
        "hip,abdomen,chest,chest2,neck,head",
        "#Collar,#Shldr,#ForeArm,#Hand,#Mid1,#Thigh,#Shin,#Foot,#Toe",
        ("l", "r"),
        "#Eye>head,#Buttock>pelvis",
    ),
    "makehuman default": (
        "root,spine04,spine03,spine01,neck01,head",
        "clavicle.#,upperarm01.#,lowerarm01.#,wrist.#,finger3-1.#,upperleg01.#,lowerleg01.#,foot.#,toe1-1.#",
        ("L", "R"),
        "upperleg02.#>hip,pelvis.#>pelvis,toe2-1.#>ankle,upperarm02.#>shoulder",
    ),
    "makehuman bvh": (
        "Hips,Spine1,Spine2,Spine3,Neck,Head",
        "Clavicle_#,UpArm_#,LoArm_#,Hand_#,Middle1_#,UpLeg_#,LoLeg_#,Foot_#,Toe_#",
        ("L", "R"),
        "__UpLeg_#>pelvis,__Clavicle_#>spine3,__Jaw>head",
    ),
    "iclone": (
        "CC_Base_Hip,CC_Base_Waist,CC_Base_Spine01,CC_Base_Spine02,CC_Base_NeckTwist01,CC_Base_Head",
        "CC_Base_#_Clavicle,CC_Base_#_Upperarm,CC_Base_#_Forearm,CC_Base_#_Hand,CC_Base_#_Mid1,"
        "CC_Base_#_Thigh,CC_Base_#_Calf,CC_Base_#_Foot,CC_Base_#_ToeBase",
        ("L", "R"),
        "CC_Base_#_ThighTwist01>hip,CC_Base_#_CalfTwist01>knee,CC_Base_#_UpperarmTwist01>shoulder",
    ),
    "kinect v1": (
        "HipCenter,Spine,-,-,ShoulderCenter,Head",
        "-,Shoulder#,Elbow#,Wrist#,Hand#,Hip#,Knee#,Ankle#,Foot#",
        ("Left", "Right"),
        "",
    ),
    "kinect v2": (
        "SpineBase,SpineMid,-,SpineShoulder,Neck,Head",
        "-,Shoulder#,Elbow#,Wrist#,Hand#,Hip#,Knee#,Ankle#,Foot#",
        ("Left", "Right"),
        "HandTip#>hand,Thumb#>wrist",
    ),
    "azure kinect": (
        "PELVIS,SPINE_NAVEL,-,SPINE_CHEST,NECK,HEAD",
        "CLAVICLE_#,SHOULDER_#,ELBOW_#,WRIST_#,HAND_#,HIP_#,KNEE_#,ANKLE_#,FOOT_#",
        ("LEFT", "RIGHT"),
        "EYE_#>head,HANDTIP_#>hand",
    ),
    "optitrack": (
        "Skeleton_001_Hips,Skeleton_001_Spine,Skeleton_001_Spine1,Skeleton_001_Spine2,Skeleton_001_Neck,Skeleton_001_Head",
        "Skeleton_001_#Shoulder,Skeleton_001_#Arm,Skeleton_001_#ForeArm,Skeleton_001_#Hand,Skeleton_001_#HandMiddle1,"
        "Skeleton_001_#UpLeg,Skeleton_001_#Leg,Skeleton_001_#Foot,Skeleton_001_#ToeBase",
        ("Left", "Right"),
        "",
    ),
    "motive": (
        "Bob_Hip,Bob_Ab,-,Bob_Chest,Bob_Neck,Bob_Head",
        "Bob_#Shoulder,Bob_#UArm,Bob_#FArm,Bob_#Hand,-,Bob_#Thigh,Bob_#Shin,Bob_#Foot,Bob_#Toe",
        ("L", "R"),
        "",
    ),
    "smpl in maya": (
        "m_avg_Pelvis,m_avg_Spine1,m_avg_Spine2,m_avg_Spine3,m_avg_Neck,m_avg_Head",
        "m_avg_#_Collar,m_avg_#_Shoulder,m_avg_#_Elbow,m_avg_#_Wrist,m_avg_#_Hand,"
        "m_avg_#_Hip,m_avg_#_Knee,m_avg_#_Ankle,m_avg_#_Foot",
        ("L", "R"),
        "",
    ),
    "soma": (
        "Hips,Spine1,Spine2,Chest,Neck1,Head",
        "#Shoulder,#Arm,#ForeArm,#Hand,#HandMiddle1,#Leg,#Shin,#Foot,#ToeBase",
        ("Left", "Right"),
        "Neck2>neck,Jaw>head,#HandThumbEnd>wrist",
    ),
    "mmd": (
        "下半身,上半身,-,上半身2,首,頭",
        "#肩,#腕,#ひじ,#手首,#中指１,#足,#ひざ,#足首,#つま先",
        ("左", "右"),
        "#足ＩＫ>,#足D>hip,#手捩>elbow,両目>head",
    ),
    "mmd in blender": (
        "下半身,上半身,-,上半身2,首,頭",
        "肩.#,腕.#,ひじ.#,手首.#,中指１.#,足.#,ひざ.#,足首.#,つま先.#",
        ("L", "R"),
        "足ＩＫ.#>",
    ),
    "second life": (
        "mPelvis,mTorso,-,mChest,mNeck,mHead",
        "mCollar#,mShoulder#,mElbow#,mWrist#,mHandMiddle1#,mHip#,mKnee#,mAnkle#,mToe#",
        ("Left", "Right"),
        "mSkull>head,mEye#>head",
    ),
    "xsens": (
        "Pelvis,L5,L3,T8,Neck,Head",
        "#Shoulder,#UpperArm,#ForeArm,#Hand,-,#UpperLeg,#LowerLeg,#Foot,#Toe",
        ("Left", "Right"),
        "",
    ),
    "xsens joints": (
        "jL5S1,jL4L3,-,jT9T8,jT1C7,jC1Head",
        "j#T4Shoulder,j#Shoulder,j#Elbow,j#Wrist,-,j#Hip,j#Knee,j#Ankle,j#BallFoot",
        ("Left", "Right"),
        "",
    ),
    "rokoko": (
        "Hips,Spine,Spine2,Spine4,Neck,Head",
        "#Shoulder,#Arm,#ForeArm,#Hand,#HandMiddle1,#Thigh,#Shin,#Foot,#Toe",
        ("Left", "Right"),
        "#ToeTip>foot",
    ),
    "perception neuron": (
        "Hips,Spine,Spine1,Spine2,Neck,Head",
        "#Shoulder,#Arm,#ForeArm,#Hand,#HandMiddle1,#UpLeg,#Leg,#Foot,-",
        ("Left", "Right"),
        "#InHandMiddle>wrist,#Foot_end>ankle",
    ),
    "bandai-namco": (
        "Hips,Spine,-,Chest,Neck,Head",
        "Shoulder_#,UpperArm_#,LowerArm_#,Hand_#,-,UpperLeg_#,LowerLeg_#,Foot_#,Toes_#",
        ("L", "R"),
        "",
    ),
    "bitmoji": (
        "C_spine0001_bind_JNT,C_spine0002_bind_JNT,-,C_spine0006_bind_JNT,C_neck0001_bind_JNT,C_head0001_bind_JNT",
        "#_clavicle_bind_JNT,#_armUpper0001_bind_JNT,#_armLower0001_bind_JNT,#_hand0001_bind_JNT,-,"
        "#_legUpper0001_bind_JNT,#_legLower0001_bind_JNT,#_foot0001_bind_JNT,#_foot0002_bind_JNT",
        ("L", "R"),
        "",
    ),
    "robot expressive": (
        "Hips,Abdomen,-,Torso_1,Neck,Head",
        "Shoulder#,UpperArm#,LowerArm#,Palm2#,Middle1#,UpperLeg#,LowerLeg#,Foot#,-",
        ("L", "R"),
        "PoleTarget#>,Thumb#>wrist",
    ),
    "leg1 and leg2": (
        "pelvis,spine1,-,spine2,neck,head",
        "clavicle_#,arm1_#,arm2_#,hand_#,-,leg1_#,leg2_#,foot_#,toes_#",
        ("L", "R"),
        "",
    ),
    "asf": (
        "root,lowerback,upperback,chest,neck,head",
        "#clavicle,#humerus,#radius,#wrist,-,#femur,#tibia,#foot,#toes",
        ("l", "r"),
        "",
    ),
    "lower case": (
        "hips,spine,-,chest,neck,head",
        "#shoulder,#arm,#forearm,#hand,-,#upleg,#leg,#foot,#toebase",
        ("left", "right"),
        "",
    ),
}


def tree(convention: str) -> tuple[Skeleton, dict[str, str]]:
    """SMPL-24's rest pose under other names, with a root on the floor and joints that are no part of a person.

    Returns:
        The tree, and its joint for each of SMPL-24's that it has.
    """
    trunk, limbs, sides, extras = CONVENTIONS[convention]
    at = {name: SMPL24.rest[k] for k, name in enumerate(SMPL24.names)}
    names = {part: name for part, name in zip(TRUNK, trunk.split(","), strict=True) if name != "-"}
    above = {part: _ABOVE[part] for part in TRUNK}
    for side, said in zip(("left", "right"), sides, strict=True):
        for part, name in zip(LIMBS, limbs.split(","), strict=True):
            above[f"{side}_{part}"] = _ABOVE[part] if _ABOVE[part] in TRUNK else f"{side}_{_ABOVE[part]}"
            if name != "-":
                names[f"{side}_{part}"] = name.replace("#", said)
    names = {part: name.replace("@", f"{number:02}") for number, (part, name) in enumerate(names.items())}
    joints: dict[str, tuple[str, np.ndarray]] = {"World": ("", np.zeros(3))}
    for part, name in names.items():
        parent = above[part]
        while parent and parent not in names:
            parent = above[parent]
        joints[name] = (names.get(parent, "World"), at[part])
    for extra in filter(None, extras.split(",")):
        name, part = extra.split(">")
        for side, said in zip(("left", "right"), sides, strict=True):
            if "#" not in name and side == "right":
                continue
            parent = part if part in TRUNK else f"{side}_{part}"
            near = at[parent] if part else at[f"{side}_ankle"]
            joints[name.replace("#", said)] = (
                names.get(parent, "World"),
                near + np.array([0.01, 0.02, 0.03]),
            )
    order = list(joints)
    return (
        Skeleton.from_names(order, [joints[n][0] for n in order], np.array([joints[n][1] for n in order])),
        names,
    )
