"""Nodes of stride that control: gait, policy, inverse kinematics, safety; composition."""
