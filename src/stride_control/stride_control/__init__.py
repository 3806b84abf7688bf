"""Control nodes of stride (gait, inverse kinematics, safety) and their composition."""
