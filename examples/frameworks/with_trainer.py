"""A training with the Trainer of Transformers that says how long its model waits for data."""

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

from spritedocs import watch


class Sprites(Dataset):
    def __init__(self):
        self.pictures = torch.rand(1024, 768)
        self.kinds = torch.randint(10, (1024,))

    def __len__(self):
        return len(self.kinds)

    def __getitem__(self, index):
        return {"pictures": self.pictures[index], "labels": self.kinds[index]}


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(768, 10)

    def forward(self, pictures, labels):
        scores = self.layer(pictures)
        return {"loss": cross_entropy(scores, labels), "logits": scores}


class Watched(Trainer):
    def get_train_dataloader(self):
        return watch(super().get_train_dataloader(), name="training")

    def get_eval_dataloader(self, eval_dataset=None):
        return watch(
            super().get_eval_dataloader(eval_dataset), name="validation"
        )


def trainer():
    arguments = TrainingArguments(
        "trained",
        num_train_epochs=2,
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        per_device_train_batch_size=64,
        per_device_eval_batch_size=64,
        dataloader_num_workers=2,
        dataloader_persistent_workers=True,
    )
    return Watched(
        Model(), arguments, train_dataset=Sprites(), eval_dataset=Sprites()
    )


def to_tune():
    return trainer().get_train_dataloader()


if __name__ == "__main__":
    trainer().train()
